"""Every SQL statement of matcher: cases and their attempts, supporters and seats, and what is due."""
