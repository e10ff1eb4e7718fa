"""Documentation; a package, so that the template in it can be checked and run."""
