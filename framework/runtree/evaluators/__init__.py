"""The built-in evaluators. Nothing imports them: a config names them."""
