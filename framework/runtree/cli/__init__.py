"""The command line: a file for each family of verbs, loaded when its verb is typed."""
