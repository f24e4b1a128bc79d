// A container of Azure Blob Storage, for tests: Put Blob and Get Blob with a shared access
// signature. What a client sends is checked as the service checks it; a request that is wrong is
// refused in its words.
//
// Thread rule: [any-thread].
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace dstream::standin {

class HttpServer;

class BlobContainer {
 public:
  // `certs`: folder made by make-certs.sh: broker.pem.
  explicit BlobContainer(const std::string& certs);
  ~BlobContainer();
  BlobContainer(const BlobContainer&) = delete;
  BlobContainer& operator=(const BlobContainer&) = delete;

  // "https://localhost:PORT/values", and with the signature that is good at first.
  std::string url() const;
  std::string url_with_sas() const { return url() + "?" + sas(kFirstSignature); }
  static std::string sas(const std::string& signature);
  static constexpr const char* kFirstSignature = "Zmlyc3Q%2B%3D";
  static constexpr const char* kSecondSignature = "c2Vjb25k%2F%3D";

  // From now on only this signature is good.
  void set_signature(const std::string& signature);
  // Requests are answered with this status until it is 0 again.
  void fail_with(int status);
  // While it is on, requests are taken and not answered.
  void stall(bool on);

  // What was stored, by name; and how many times anything was.
  std::map<std::string, std::string> blobs() const;
  int puts() const;
  int requests() const;
  bool wait_requests(int count, int timeout_ms) const;
  bool wait_blobs(size_t count, int timeout_ms) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace dstream::standin
