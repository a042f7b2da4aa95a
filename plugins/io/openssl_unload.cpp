// Asio ends OpenSSL's configuration, of the whole process, when the library that holds it is
// unloaded: CONF_modules_unload(1) in the destructor of its openssl_init. The host's TLS needs that
// configuration (its engines, providers and limits) after this library has gone. So the linker is
// told to bring the call here (--wrap=CONF_modules_unload), where nothing happens: OpenSSL cleans
// up by itself when the process ends.

extern "C" void __wrap_CONF_modules_unload(int /*all*/) {}  // NOLINT: the linker's name
