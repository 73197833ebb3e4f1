/**
 * Loaded before every test: some people's umask lets their group write, and the agent refuses a
 * bootstrap file of that kind. Children have it as well.
 */
process.umask(0o022);
