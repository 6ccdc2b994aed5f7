"""What every command needs of the machine: files, versions, Ctrl-C."""
