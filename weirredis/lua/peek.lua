-- peek: interval. Replies with the debt, and writes nothing.
steppedBack = false
