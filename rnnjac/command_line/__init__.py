"""The command `rnnjac`: weights and data from files, results to the terminal or to a file."""
