"""Who is told when it matters: rules over the journal, and channels to people. Nothing of it changes what happens."""
