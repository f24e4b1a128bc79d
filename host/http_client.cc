#include "host/http_client.h"

#include <Poco/JSON/Parser.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

#include "core/base/clock.h"
#include "host/unix_socket.h"

namespace dstream::host {
namespace {

core::Error no_answer(const std::string& code, const std::string& what) {
  return {code, what, "The log of the running host may say more.", std::nullopt,
          core::ExitCode::kFailed};
}

// The bytes sent, then everything until the other side closes.
class Exchange {
 public:
  Exchange(int descriptor, int64_t deadline_ns)
      : descriptor_(descriptor), deadline_ns_(deadline_ns) {}

  core::Result<std::string> run(std::string_view request) {
    while (!request.empty()) {
      if (auto ready = await(POLLOUT); !ready) {
        return core::fail(ready.error());
      }
      ssize_t sent = send(descriptor_, request.data(), request.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        return failed();
      }
      request.remove_prefix(sent > 0 ? static_cast<size_t>(sent) : 0);
    }
    std::string answer;
    char buffer[65536];
    while (answer.size() < kHttpAnswerBytesMax) {
      if (auto ready = await(POLLIN); !ready) {
        return core::fail(ready.error());
      }
      ssize_t got = recv(descriptor_, buffer, sizeof buffer, 0);
      if (got == 0) {
        return answer;
      }
      if (got < 0 && errno != EAGAIN && errno != EINTR) {
        return failed();
      }
      answer.append(buffer, got > 0 ? static_cast<size_t>(got) : 0);
    }
    return core::fail(no_answer("DS-ADMIN-ANSWER", "The answer of the running host is too long."));
  }

 private:
  static tl::unexpected<core::Error> failed() {
    return core::fail(no_answer("DS-ADMIN-SOCKET", "The connection to the running host broke: " +
                                                       std::generic_category().message(errno) +
                                                       "."));
  }
  core::Result<void> await(short events) const {
    pollfd wait{descriptor_, events, 0};
    for (;;) {
      int64_t left_ns = deadline_ns_ - core::SystemClock().monotonic_ns();
      if (left_ns <= 0) {
        return core::fail(
            no_answer("DS-ADMIN-TIMEOUT", "The running host did not answer in time."));
      }
      if (poll(&wait, 1, static_cast<int>(left_ns / core::kNanosPerMilli + 1)) > 0) {
        return {};
      }
    }
  }

  int descriptor_;
  int64_t deadline_ns_;
};

core::Error carried_error(const HttpResponse& answer, const core::JsonObject& document) {
  core::Error out = no_answer("DS-ADMIN-ANSWER", "The running host answered with HTTP status " +
                                                     std::to_string(answer.status) + ".");
  if (document && document->isObject("error")) {
    core::JsonObject error = document->getObject("error");
    out.code = error->optValue<std::string>("code", out.code);
    out.message = error->optValue<std::string>("message", out.message);
    out.hint = error->optValue<std::string>("hint", "");
  }
  return out;
}

}  // namespace

core::Result<HttpResponse> ask_host(const std::string& state_dir, const HttpRequest& request,
                                    int64_t max_wait_ms) {
  int64_t deadline_ns = core::SystemClock().monotonic_ns() + max_wait_ms * core::kNanosPerMilli;
  auto connection = connect_in_folder(state_dir);
  if (!connection) {
    return core::fail(connection.error());
  }
  auto bytes = Exchange(connection->get(), deadline_ns).run(http_text(request));
  if (!bytes) {
    return core::fail(bytes.error());
  }
  auto answer = parse_http_response(*bytes);
  if (!answer) {
    return core::fail(
        no_answer("DS-ADMIN-ANSWER", "The running host gave an answer that is no HTTP."));
  }
  return *answer;
}

core::Result<core::JsonObject> ask_host_json(const std::string& state_dir,
                                             const HttpRequest& request) {
  auto answer = ask_host(state_dir, request);
  if (!answer) {
    return core::fail(answer.error());
  }
  core::JsonObject document;
  try {
    document = Poco::JSON::Parser().parse(answer->body).extract<core::JsonObject>();
  } catch (const Poco::Exception&) {
    // Said below.
  }
  if (answer->status >= 300 || !document) {
    return core::fail(carried_error(*answer, document));
  }
  return document;
}

}  // namespace dstream::host
