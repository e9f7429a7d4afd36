/* The name that a client says before all else: whose it is, and which certificate it has. A worker's thread.
 */
#pragma once
#include "forwarder/tls/tls.h"

/* As struct tls_settings has it; `user` is the worker, `connection` a struct conn. */
enum tls_verdict sni_hello(void *user, void *connection, struct tls_hello *hello);
