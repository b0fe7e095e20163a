"""What is watched, when somebody is called, and what that person then does."""
