"""Many runs side by side: which may stand in one table, their groups, published figures, and how all is written."""
