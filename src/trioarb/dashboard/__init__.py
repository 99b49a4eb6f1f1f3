"""A web page that shows campaigns, from their journals and what running ones answer; a process of its own."""
