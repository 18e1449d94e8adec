"""A model as a service: REST, the Open Inference Protocol and a web form, for a run or a registered model."""
