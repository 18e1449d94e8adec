"""How a fit that iterates is watched: when it stops, what it leaves behind, where it goes on."""
