"""How copies of a run's pipeline are fitted on folds: here, or in processes that share the slots."""
