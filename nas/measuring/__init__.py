"""Networks measured whole on a device, and how fast that device is at its best."""
