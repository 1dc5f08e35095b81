own = true
