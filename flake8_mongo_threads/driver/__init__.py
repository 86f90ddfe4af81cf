"""What the drivers are: classes and members, which release has what, which releases a project works with."""
