"""Watching a model: drift of its inputs and predictions, its quality, and figures of the business."""
