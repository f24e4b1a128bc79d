// What each fact about the server means for the source, and the T-SQL that mends it.
//
// Thread rule: plain functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dstream/plugin.hpp"
#include "plugins/sqlserver_cdc/check_facts.h"
#include "plugins/sqlserver_cdc/connection_string.h"

namespace dstream::sqlserver {

// encryption.certificate: can the driver tell who the server is?
void judge_certificate(const OdbcConnection& target, const Checks& checks);
// encryption
void judge_encryption(bool encrypted, const Checks& checks);
// replica, isolation, clock, cdc.enabled
void judge_database(const DatabaseFacts& facts, bool read_only_intent, const Checks& checks);
// cdc.manage: may the login create and drop capture instances, as the configuration asks it to?
void judge_manage(bool is_owner, bool read_only_intent, const Checks& checks);
// agent
void judge_agent(const std::optional<bool>& runs, const Checks& checks);
// capture.job, capture.rate, cdc.retention
void judge_jobs(const JobFacts& jobs, bool azure_database, const Checks& checks);
// capture.scans, capture.latency; capture.full, where the job's settings are known
void judge_scans(const std::optional<ScanFacts>& scans, const std::optional<JobFacts::Capture>& job,
                 const Checks& checks);
// capture.errors
void judge_scan_error(const std::optional<ScanErrorFacts>& error, const Checks& checks);

// table.captured: `found` are the instances of the table, or of that name if one was asked for.
void judge_captured(const TableName& table, bool exists, const std::string& wanted_instance,
                    const std::vector<InstanceFacts>& found, const Checks& checks);
// table.start, table.reach, table.key, table.columns, table.net
void judge_instance(const InstanceFacts& facts, const std::optional<int64_t>& retention_min,
                    const Checks& checks);
// table.shape
void judge_shape(const InstanceFacts& facts, bool has_command_id, const Checks& checks);
// table.large; nullopt: the limit is not known, for the reason given.
void judge_large_columns(const InstanceFacts& facts, const std::optional<int64_t>& limit_bytes,
                         const std::string& reason, const Checks& checks);

}  // namespace dstream::sqlserver
