/* A shared library that is no plugin. */
int dstream_foreign(void) { return 42; }
