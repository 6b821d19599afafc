"""What is shown: bars, cards and tables, of whatever they are given. They know no client."""
