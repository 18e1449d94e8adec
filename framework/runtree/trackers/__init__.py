"""Who may be told of runs. Nothing imports them: `register_trackers` names them."""
