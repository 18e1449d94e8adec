"""Many runs: what is tried next, who works on it, when it is enough, and how it goes on after an interruption."""
