#include "tests/standins/blob/blob_container.h"

#include <Poco/StreamCopier.h>
#include <Poco/URI.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "tests/standins/http/http_server.h"

namespace dstream::standin {
namespace {

namespace net = Poco::Net;

constexpr const char* kContainer = "/values";

void refuse(net::HTTPServerResponse& response, int status, const std::string& code) {
  send_answer(response, status, "application/xml",
              "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>" + code +
                  "</Code><Message>Server failed.\nRequestId:1</Message></Error>");
}

std::string decoded(const std::string& text) {
  std::string out;
  Poco::URI::decode(text, out);
  return out;
}

}  // namespace

struct BlobContainer::State {
  mutable std::mutex mutex;  // guards all below
  mutable std::condition_variable changed;
  std::string signature = decoded(kFirstSignature);
  std::map<std::string, std::string> blobs;
  int puts = 0;
  int requests = 0;
  int failure = 0;
  bool stalls = false;
  bool ends = false;

  void answer(net::HTTPServerRequest& request, net::HTTPServerResponse& response) {
    std::string body;
    Poco::StreamCopier::copyToString(request.stream(), body);
    std::unique_lock lock(mutex);
    ++requests;
    changed.notify_all();
    changed.wait(lock, [this] { return !stalls || ends; });
    const Poco::URI uri(request.getURI());
    std::string given;
    for (const auto& [name, value] : uri.getQueryParameters()) {
      given = name == "sig" ? value : given;
    }
    const std::string start = std::string(kContainer) + "/";
    if (failure != 0) {
      refuse(response, failure, "ServerBusy");
    } else if (given != signature) {
      refuse(response, 403, "AuthenticationFailed");
    } else if (uri.getPath().compare(0, start.size(), start) != 0) {
      refuse(response, 404, "ContainerNotFound");
    } else if (request.getMethod() == "PUT") {
      put(request, uri.getPath().substr(start.size()), std::move(body), response);
    } else if (const auto found = blobs.find(uri.getPath().substr(start.size()));
               request.getMethod() == "GET" && found != blobs.end()) {
      send_answer(response, 200, "application/octet-stream", found->second);
    } else {
      refuse(response, 404, "BlobNotFound");
    }
  }

  void put(const net::HTTPServerRequest& request, const std::string& name, std::string body,
           net::HTTPServerResponse& response) {
    if (request.get("x-ms-blob-type", "") != "BlockBlob" || !request.has("Content-Length")) {
      refuse(response, 400, "MissingRequiredHeader");
    } else if (request.get("x-ms-version", "") < std::string("2015-02-21")) {
      refuse(response, 400, "InvalidHeaderValue");
    } else {
      blobs[name] = std::move(body);
      ++puts;
      changed.notify_all();
      send_answer(response, 201, "application/xml", "");
    }
  }
};

BlobContainer::BlobContainer(const std::string& certs) : state_(std::make_shared<State>()) {
  HttpServer::Options options;
  options.certs = certs;
  server_ = std::make_unique<HttpServer>(
      options,
      [state = state_](net::HTTPServerRequest& request, net::HTTPServerResponse& response) {
        state->answer(request, response);
      });
}

BlobContainer::~BlobContainer() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->ends = true;
    state_->changed.notify_all();
  }
  server_.reset();
}

std::string BlobContainer::url() const { return server_->url() + kContainer; }

std::string BlobContainer::sas(const std::string& signature) {
  return "sp=cw&st=2026-01-01T00%3A00%3A00Z&se=2099-01-01T00%3A00%3A00Z&sv=2022-11-02&sr=c&sig=" +
         signature;
}

void BlobContainer::set_signature(const std::string& signature) {
  const std::lock_guard lock(state_->mutex);
  state_->signature = decoded(signature);
}

void BlobContainer::fail_with(int status) {
  const std::lock_guard lock(state_->mutex);
  state_->failure = status;
}

void BlobContainer::stall(bool on) {
  const std::lock_guard lock(state_->mutex);
  state_->stalls = on;
  state_->changed.notify_all();
}

std::map<std::string, std::string> BlobContainer::blobs() const {
  const std::lock_guard lock(state_->mutex);
  return state_->blobs;
}

int BlobContainer::puts() const {
  const std::lock_guard lock(state_->mutex);
  return state_->puts;
}

int BlobContainer::requests() const {
  const std::lock_guard lock(state_->mutex);
  return state_->requests;
}

bool BlobContainer::wait_blobs(size_t count, int timeout_ms) const {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                  [this, count] { return state_->blobs.size() >= count; });
}

bool BlobContainer::wait_requests(int count, int timeout_ms) const {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                  [this, count] { return state_->requests >= count; });
}

}  // namespace dstream::standin
