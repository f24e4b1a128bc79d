#include "tests/standins/tokens/signed_token.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <vector>

namespace dstream::standin {
namespace {

std::string base64_url(const unsigned char* data, size_t size) {
  std::string out(4 * ((size + 2) / 3) + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), data, static_cast<int>(size));
  out.resize(static_cast<size_t>(length));
  while (out.ends_with('=')) {
    out.pop_back();
  }
  for (char& c : out) {
    c = c == '+' ? '-' : c == '/' ? '_' : c;
  }
  return out;
}

std::string base64_url(const std::string& text) {
  return base64_url(reinterpret_cast<const unsigned char*>(text.data()), text.size());
}

std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> read_key(const std::string& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "r"), &std::fclose);
  EVP_PKEY* key =
      file == nullptr ? nullptr : PEM_read_PrivateKey(file.get(), nullptr, nullptr, nullptr);
  if (key == nullptr) {
    throw std::runtime_error("Cannot read the key " + path + ".");
  }
  return {key, &EVP_PKEY_free};
}

}  // namespace

std::string sign_token(const std::string& claims, const std::string& key_file,
                       const std::string& key_id) {
  const std::string signed_part =
      base64_url(R"({"alg":"RS256","typ":"JWT","kid":")" + key_id + "\"}") + "." +
      base64_url(claims);
  const auto key = read_key(key_file);
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   &EVP_MD_CTX_free);
  const auto* data = reinterpret_cast<const unsigned char*>(signed_part.data());
  size_t size = 0;
  if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, data, signed_part.size()) != 1) {
    throw std::runtime_error("Cannot sign with " + key_file + ".");
  }
  std::vector<unsigned char> signature(size);
  if (EVP_DigestSign(context.get(), signature.data(), &size, data, signed_part.size()) != 1) {
    throw std::runtime_error("Cannot sign with " + key_file + ".");
  }
  return signed_part + "." + base64_url(signature.data(), size);
}

}  // namespace dstream::standin
