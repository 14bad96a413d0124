"""What style is: statistics of features that forget where things are. One file each, one entry in `table`."""
