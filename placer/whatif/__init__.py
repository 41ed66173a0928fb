"""What if: changes to a placed fleet, each solved and compared with it."""
