"""The pure rules of the monitor: due times, and what facts and time decide about a clock."""
