"""Outreach: messages, private links, and what was said to have happened."""
