"""From bytes to items: what a feed document says, what its entries are known by, and when it is to be asked again. No network."""
