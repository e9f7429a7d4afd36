/*
 * Certificates parsed without OpenSSL's decoders, which take 110 us of 3.0's 130 to look for one that reads a
 * key (openssl #19119): the certificate is whole but for its public key, which who knows it sets by
 * X509_set_pubkey(). Any thread.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct x509_st;

/* NULL: not one certificate and nothing else. OpenSSL's queue of errors is left empty. */
struct x509_st *x509_bare_parse(const uint8_t *der, size_t length);
