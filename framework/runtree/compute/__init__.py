"""The options of the group `compute`: the processor or an accelerator. No other package imports them."""
