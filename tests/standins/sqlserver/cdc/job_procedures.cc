// sys.sp_cdc_scan and the procedures of the capture and cleanup jobs.
#include <algorithm>

#include "tests/standins/sqlserver/cdc/change_data_capture.h"
#include "tests/standins/sqlserver/cdc/procedure_support.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::cdc {
namespace {

using sql::ProcedureCall;
using sql::SqlError;

constexpr int64_t kPollingIntervalMaxS = 86'399;
constexpr int64_t kRetentionMaxMin = 52'594'800;

enum class Job : uint8_t { kCapture, kCleanup };

Job job_argument(const ProcedureCall& call) {
  const std::string type = call.text(0);
  if (sql::equal_names(type, "capture")) {
    return Job::kCapture;
  }
  if (sql::equal_names(type, "cleanup")) {
    return Job::kCleanup;
  }
  throw SqlError(22992, 16, 1,
                 "The specified @job_type, " + type +
                     ", is not supported. The value specified for the parameter @job_type must be "
                     "N'capture' to indicate a capture job, or N'cleanup' to indicate a cleanup "
                     "job.");
}

// Where the scheduler of the service runs the jobs.
void refuse_in_azure(ChangeDataCapture* capture, const ProcedureCall& call) {
  if (capture->is_azure()) {
    throw SqlError(40510, 16, 1,
                   "Statement '" + call.name + "' is not supported in this version of SQL Server.");
  }
}

JobSettings existing_job(const DatabaseCapture& cdc, Job job) {
  JobSettings jobs = cdc.jobs();
  if (job == Job::kCapture ? !jobs.has_capture_job : !jobs.has_cleanup_job) {
    throw SqlError(22997, 16, 1,
                   std::string("The Change Data Capture '") +
                       (job == Job::kCapture ? "capture" : "cleanup") +
                       "' job does not exist in the system table 'msdb.dbo.cdc_jobs'. Use the "
                       "stored procedure 'sys.sp_cdc_add_job' to add the Change Data Capture job.");
  }
  return jobs;
}

enum Parameter : size_t {
  kMaxTransactions = 1,
  kMaxScans,
  kContinuous,
  kPollingInterval,
  kRetention,
  kThreshold,
};

void check_scan_limits(int64_t transactions, int64_t scans) {
  if (transactions < 1) {
    throw SqlError(22991, 16, 1,
                   "The value specified for the parameter @maxtrans must be greater than 0.");
  }
  if (scans < 1) {
    throw SqlError(22970, 16, 1,
                   "The value for parameter @maxscans specified for the Change Data Capture job "
                   "must be greater than 0.");
  }
}

void check_polling_interval(int64_t seconds) {
  if (seconds < 0 || seconds > kPollingIntervalMaxS) {
    throw SqlError(22990, 16, 1,
                   "The value specified for the parameter @pollinginterval must be greater than "
                   "or equal to 0 and less than 24 hours(Max: 86399 seconds). Specify a polling "
                   "interval (in seconds) that is less than 24 hours (86,400 seconds).");
  }
}

void take_capture(ChangeDataCapture* capture, const ProcedureCall& call, JobSettings* jobs) {
  if (call.has(kRetention)) {
    throw SqlError(22995, 16, 1,
                   "A value for the parameter @retention cannot be specified when the job type is "
                   "'capture'. Specify NULL for the parameter, or omit the parameter from the "
                   "statement.");
  }
  jobs->transactions_max = call.number(kMaxTransactions, jobs->transactions_max);
  jobs->scans_max = call.number(kMaxScans, jobs->scans_max);
  check_scan_limits(jobs->transactions_max, jobs->scans_max);
  const int64_t continuous = call.number(kContinuous, jobs->continuous ? 1 : 0);
  if (continuous != 0 && continuous != 1) {
    throw SqlError(22998, 16, 1,
                   "The value specified for the parameter @continuous must be 0 or 1.");
  }
  if (capture->is_azure()) {
    return;  // Its scheduler has intervals of its own.
  }
  jobs->continuous = continuous != 0;
  if (call.has(kPollingInterval)) {
    jobs->polling_interval_s = call.number(kPollingInterval, 0);
    check_polling_interval(jobs->polling_interval_s);
    jobs->polling_interval_ms = jobs->polling_interval_s * 1000;
  }
}

void take_cleanup(const ProcedureCall& call, JobSettings* jobs) {
  if (call.has(kMaxTransactions) || call.has(kMaxScans) || call.has(kContinuous) ||
      call.has(kPollingInterval)) {
    throw SqlError(22996, 16, 1,
                   "When adding or modifying the CDC cleanup job, @pollinginterval, @maxtrans, "
                   "@maxscans, and @continuous may not be assigned non-null values.");
  }
  jobs->retention_min = call.number(kRetention, jobs->retention_min);
  jobs->threshold = call.number(kThreshold, jobs->threshold);
  if (jobs->retention_min < 1 || jobs->retention_min > kRetentionMaxMin) {
    throw SqlError(22994, 16, 1,
                   "The retention value specified for the Change Data Capture cleanup process "
                   "must be greater than 0 and less than or equal to 52594800. When creating or "
                   "modifying the cleanup job, specify a retention value (in minutes) that is "
                   "within that range. If this error is encountered when executing the "
                   "sys.sp_cdc_cleanup_change_table stored procedure, reset the retention value "
                   "associated with the job to a non-negative value less than 52594800 by using "
                   "the sp_cdc_change_job stored procedure.");
  }
}

void take(ChangeDataCapture* capture, const ProcedureCall& call, Job job, JobSettings* jobs) {
  if (job == Job::kCapture) {
    take_capture(capture, call, jobs);
  } else {
    take_cleanup(call, jobs);
  }
}

// Takes effect when the job is started next, as on a real server.
void change_job(ChangeDataCapture* capture, ProcedureCall& call) {
  call.bind({"@job_type", "@maxtrans", "@maxscans", "@continuous", "@pollinginterval", "@retention",
             "@threshold"});
  DatabaseCapture& cdc = owned_to_change(capture, call);
  const Job job = call.has(0) ? job_argument(call) : Job::kCapture;
  JobSettings jobs = existing_job(cdc, job);
  take(capture, call, job, &jobs);
  cdc.set_jobs(jobs);
}

void add_job(ChangeDataCapture* capture, ProcedureCall& call) {
  refuse_in_azure(capture, call);
  call.bind({"@job_type", "@maxtrans", "@maxscans", "@continuous", "@pollinginterval", "@retention",
             "@threshold", "@start_job", "@check_for_logreader"});
  DatabaseCapture& cdc = owned_to_change(capture, call);
  const Job job = job_argument(call);
  JobSettings jobs = cdc.jobs();
  bool* const exists = job == Job::kCapture ? &jobs.has_capture_job : &jobs.has_cleanup_job;
  if (*exists) {
    throw SqlError(14261, 16, 1,
                   "The specified @name ('cdc." + call.database.name() +
                       (job == Job::kCapture ? "_capture" : "_cleanup") + "') already exists.");
  }
  take(capture, call, job, &jobs);
  *exists = true;
  cdc.set_jobs(jobs);
  constexpr size_t kStartJob = 7;
  if (job == Job::kCapture && call.number(kStartJob, 1) != 0) {
    cdc.start_job();
  }
}

void drop_job(ChangeDataCapture* capture, ProcedureCall& call) {
  refuse_in_azure(capture, call);
  call.bind({"@job_type"});
  DatabaseCapture& cdc = owned_to_change(capture, call);
  const Job job = job_argument(call);
  JobSettings jobs = existing_job(cdc, job);
  (job == Job::kCapture ? jobs.has_capture_job : jobs.has_cleanup_job) = false;
  cdc.set_jobs(jobs);
}

SqlError agent_refusal(const ProcedureCall& call, const char* verb, const char* reason) {
  return {22022, 16, 1,
          std::string("SQLServerAgent Error: Request to ") + verb + " job cdc." +
              call.database.name() + "_capture (from User " + call.session.login().user +
              ") refused because the job is " + reason + "."};
}

void start_job(ChangeDataCapture* capture, ProcedureCall& call) {
  refuse_in_azure(capture, call);
  call.bind({"@job_type"});
  DatabaseCapture& cdc = owned_to_change(capture, call);
  const Job job = call.has(0) ? job_argument(call) : Job::kCapture;
  existing_job(cdc, job);
  if (job == Job::kCleanup) {
    capture->clean_up();
    return;
  }
  if (cdc.running_job()) {
    throw agent_refusal(call, "run", "already running");
  }
  cdc.start_job();
}

void stop_job(ChangeDataCapture* capture, ProcedureCall& call) {
  refuse_in_azure(capture, call);
  call.bind({"@job_type"});
  DatabaseCapture& cdc = owned_to_change(capture, call);
  const Job job = call.has(0) ? job_argument(call) : Job::kCapture;
  existing_job(cdc, job);
  if (job == Job::kCleanup || !cdc.running_job()) {
    throw agent_refusal(call, "stop", "not currently running");
  }
  cdc.stop_job();
}

// One session at a time reads the log.
class LogReading {
 public:
  LogReading(DatabaseCapture* cdc, int32_t session) : cdc_(cdc) {
    if (const int32_t other = cdc->begin_log_reading(session); other != 0) {
      throw SqlError(22903, 16, 1,
                     "Another connection with session ID " + std::to_string(other) +
                         " is already running 'sp_replcmds' for Change Data Capture in the current "
                         "database. Wait for the existing connection to disconnect before "
                         "attempting to run 'sp_replcmds' from a new connection.");
    }
  }
  ~LogReading() { cdc_->end_log_reading(); }
  LogReading(const LogReading&) = delete;
  LogReading& operator=(const LogReading&) = delete;

 private:
  DatabaseCapture* const cdc_;
};

// @continuous = 1: until the client asks to stop or goes, or the capture job is stopped.
void scan_on_and_on(DatabaseCapture* cdc, const ProcedureCall& call, int64_t transactions,
                    int64_t scans, int64_t interval_ms) {
  constexpr int64_t kCancelPollMs = 20;
  while (true) {
    cdc->scan_cycle(transactions, scans);
    int64_t left_ms = std::max<int64_t>(interval_ms, 1);
    while (left_ms > 0) {
      if (call.out.cancelled()) {
        throw sql::Cancelled{};
      }
      const int64_t wait_ms = std::min(left_ms, kCancelPollMs);
      if (cdc->wait_for_stop(wait_ms)) {
        return;
      }
      left_ms -= wait_ms;
    }
  }
}

void scan(ChangeDataCapture* capture, ProcedureCall& call) {
  call.bind({"@maxtrans", "@maxscans", "@continuous", "@pollinginterval", "@is_from_job"});
  DatabaseCapture& cdc = owned_to_change(capture, call);
  const int64_t transactions = call.number(0, JobSettings{}.transactions_max);
  const int64_t scans = call.number(1, JobSettings{}.scans_max);
  const int64_t interval_s = call.number(3, 0);
  check_scan_limits(transactions, scans);
  const LogReading reading(&cdc, call.session.id());
  if (call.number(2, 0) != 0) {
    check_polling_interval(interval_s);
    return scan_on_and_on(&cdc, call, transactions, scans, interval_s * 1000);
  }
  if (interval_s != 0) {
    throw SqlError(22999, 16, 1,
                   "The value specified for the parameter @pollinginterval must be null or 0 when "
                   "the stored procedure 'sys.sp_cdc_scan' is not being run in continuous mode.");
  }
  cdc.scan_cycle(transactions, scans);
}

}  // namespace

void add_job_procedures(ChangeDataCapture* capture) {
  sql::Engine& engine = capture->engine();
  const auto add = [&](const char* name, void (*body)(ChangeDataCapture*, ProcedureCall&)) {
    engine.add_procedure(name, [capture, body](ProcedureCall& call) { body(capture, call); });
  };
  add("sys.sp_cdc_scan", scan);
  add("sys.sp_cdc_change_job", change_job);
  add("sys.sp_cdc_add_job", add_job);
  add("sys.sp_cdc_drop_job", drop_job);
  add("sys.sp_cdc_start_job", start_job);
  add("sys.sp_cdc_stop_job", stop_job);
}

}  // namespace dstream::standin::cdc
