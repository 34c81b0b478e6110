"""What answers cost: the table of prices that ships, prices of the file's own, and the arithmetic, which is exact."""
