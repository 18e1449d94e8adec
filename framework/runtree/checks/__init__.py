"""Questions asked of a table, a split and a pipeline before money is spent on a long training or a sweep."""
