# the unit wins
