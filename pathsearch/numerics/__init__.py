"""Small float64 arrays in, small float64 arrays out: nothing here knows a network, a GPU or a file."""
