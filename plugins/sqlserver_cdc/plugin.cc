// The exported symbol and the functions behind it: exceptions end here.
//
// Written against the C ABI rather than the C++ layer's BatchBuilder: batches refer to pages that
// were decoded elsewhere, and errors carry SQLSTATE.
#include <Poco/Exception.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string_view>

#include "dstream/ext/draft/snapshot.h"
#include "dstream/ext/draft/status.h"
#include "dstream/plugin.hpp"
#include "plugins/sqlserver_cdc/config_schema.h"
#include "plugins/sqlserver_cdc/source.h"
#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

Source& source_of(dstream_source* self) { return *reinterpret_cast<Source*>(self); }

dstream_status fill(dstream_error* out, dstream_status status, const char* message,
                    int32_t vendor_code = 0, const char* sqlstate = "") noexcept {
  if (out != nullptr && out->struct_size >= sizeof *out) {
    out->vendor_code = vendor_code;
    out->retry_after_ms = 0;
    const size_t state_size = std::min(std::strlen(sqlstate), sizeof out->sqlstate - 1);
    std::memcpy(out->sqlstate, sqlstate, state_size);
    out->sqlstate[state_size] = '\0';
    const size_t size = std::min(std::strlen(message), sizeof out->message - 1);
    std::memcpy(out->message, message, size);
    out->message[size] = '\0';
  }
  return status;
}

template <class Body>
dstream_status guard(dstream_error* out, Body&& body) noexcept {
  try {
    return body();
  } catch (const SourceError& error) {
    return fill(out, error.status, error.what(), error.vendor_code, error.sqlstate.c_str());
  } catch (const std::bad_alloc&) {
    // Half a step may have been taken: the stored position is the safe place to go on from.
    return fill(out, DSTREAM_REOPEN, "Out of memory.");
  } catch (const Poco::Exception& error) {
    return fill(out, DSTREAM_FATAL, error.name());  // its text may quote the connection (I11)
  } catch (const std::exception& error) {
    return fill(out, DSTREAM_FATAL, error.what());
  } catch (...) {
    return fill(out, DSTREAM_FATAL, "Unknown exception.");
  }
}

dstream_status create(const dstream_host* host, const char* config, dstream_source** out,
                      dstream_error* error) noexcept {
  return guard(error, [&] {
    *out = reinterpret_cast<dstream_source*>(new Source(Host(host), config));
    return dstream_status{DSTREAM_OK};
  });
}

dstream_status open(dstream_source* self, dstream_bytes position, dstream_error* error) noexcept {
  return guard(error, [&] {
    source_of(self).open(view(position));
    return dstream_status{DSTREAM_OK};
  });
}

dstream_status read(dstream_source* self, uint32_t max_records, uint32_t max_wait_ms,
                    dstream_batch** out, dstream_error* error) noexcept {
  *out = nullptr;
  return guard(error, [&]() -> dstream_status {
    *out = source_of(self).read(max_records, Millis(max_wait_ms));
    if (*out != nullptr) {
      return DSTREAM_OK;
    }
    if (source_of(self).ended()) {
      return DSTREAM_END;
    }
    return source_of(self).stopped() ? DSTREAM_CANCELLED : DSTREAM_AGAIN;
  });
}

void request_stop(dstream_source* self) noexcept { source_of(self).request_stop(); }

void close(dstream_source* self) noexcept {
  guard(nullptr, [&] {
    source_of(self).close();
    return dstream_status{DSTREAM_OK};
  });
}

void destroy(dstream_source* self) noexcept {
  guard(nullptr, [&] {
    delete reinterpret_cast<Source*>(self);
    return dstream_status{DSTREAM_OK};
  });
}

dstream_status check_with(void* self, const dstream_checks_request* request,
                          dstream_check_emit emit, void* context, dstream_error* error) noexcept {
  return guard(error, [&]() -> dstream_status {
    const auto stopped = [](const void* source) {
      return static_cast<const Source*>(source)->stopped();
    };
    Checks checks(emit, context, Millis(request->max_wait_ms), stopped, self,
                  view(request->position));
    static_cast<Source*>(self)->check(checks);
    return stopped(self) ? DSTREAM_CANCELLED : DSTREAM_OK;
  });
}

dstream_status check(void* self, uint32_t max_wait_ms, dstream_check_emit emit, void* context,
                     dstream_error* error) noexcept {
  const dstream_checks_request request = {sizeof request, max_wait_ms, {nullptr, 0}};
  return check_with(self, &request, emit, context, error);
}

// Nothing is told upstream: the server keeps its own retention. New tables wait for it.
dstream_status commit(dstream_source* self, dstream_bytes position, dstream_error* error) noexcept {
  return guard(error, [&] {
    source_of(self).commit(view(position));
    return dstream_status{DSTREAM_OK};
  });
}

dstream_status get_status(void* self, char* buffer, uint32_t capacity, uint32_t* size,
                          dstream_error* error) noexcept {
  return guard(error, [&] {
    const std::string text =
        static_cast<Source*>(self)->status().json(capacity, SourceStatus::Clock::now());
    std::copy(text.begin(), text.end(), buffer);  // no NUL: the size is told
    *size = static_cast<uint32_t>(text.size());
    return dstream_status{DSTREAM_OK};
  });
}

dstream_status request_snapshot(void* self, const char* table, dstream_error* error) noexcept {
  return guard(error, [&]() -> dstream_status {
    return static_cast<Source*>(self)->status().request_copy(table) ? DSTREAM_OK : DSTREAM_AGAIN;
  });
}

dstream_status reconfigure(void* self, const char* config, dstream_error* error) noexcept {
  return guard(error, [&] {
    static_cast<Source*>(self)->reconfigure(config);
    return dstream_status{DSTREAM_OK};
  });
}

dstream_status set_policy(void* self, dstream_data_loss_policy policy,
                          dstream_error* error) noexcept {
  return guard(error, [&] {
    static_cast<Source*>(self)->set_data_loss_policy(policy);
    return dstream_status{DSTREAM_OK};
  });
}

const void* get_extension(dstream_source*, const char* id) noexcept {
  static constexpr dstream_checks kChecks = {&check};
  static constexpr dstream_checks_2 kChecks2 = {&check_with};
  static constexpr dstream_data_loss kDataLoss = {&set_policy};
  static constexpr dstream_instance_status kStatus = {&get_status};
  static constexpr dstream_snapshot kSnapshot = {&request_snapshot};
  static constexpr dstream_reconfigure kReconfigure = {&reconfigure};
  const std::string_view wanted = id;
  return wanted == DSTREAM_EXT_CHECKS        ? static_cast<const void*>(&kChecks)
         : wanted == DSTREAM_EXT_CHECKS_2    ? static_cast<const void*>(&kChecks2)
         : wanted == DSTREAM_EXT_DATA_LOSS   ? static_cast<const void*>(&kDataLoss)
         : wanted == DSTREAM_EXT_STATUS      ? static_cast<const void*>(&kStatus)
         : wanted == DSTREAM_EXT_SNAPSHOT    ? static_cast<const void*>(&kSnapshot)
         : wanted == DSTREAM_EXT_RECONFIGURE ? &kReconfigure
                                             : nullptr;
}

constexpr dstream_source_api kTable = {sizeof(dstream_source_api),
                                       0,
                                       &create,
                                       &open,
                                       &read,
                                       &commit,
                                       &request_stop,
                                       &close,
                                       &destroy,
                                       &get_extension};

}  // namespace
}  // namespace dstream::sqlserver

DSTREAM_PLUGIN("sqlserver-cdc", "DStream", "MIT",
               {sizeof(dstream_connector), 0, "sqlserver-cdc", "0.1.0",
                "Reads the changes that SQL Server Change Data Capture has recorded.",
                dstream::sqlserver::kConfigSchema, &dstream::sqlserver::kTable, nullptr});
