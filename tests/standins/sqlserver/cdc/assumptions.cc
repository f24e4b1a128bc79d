#include "tests/standins/sqlserver/cdc/assumptions.h"

#include <algorithm>
#include <array>

#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::cdc {

std::span<const AssumptionName> assumption_names() {
  using A = Assumptions;
  static constexpr std::array kNames = {
      AssumptionName{"command_id_spans_tables", &A::command_id_spans_tables},
      AssumptionName{"key_change_shares_seqval", &A::key_change_shares_seqval},
      AssumptionName{"key_change_deletes_first", &A::key_change_deletes_first},
      AssumptionName{"update_mask_bytes_min", &A::update_mask_bytes_min},
      AssumptionName{"update_mask_is_reversed", &A::update_mask_is_reversed},
      AssumptionName{"unchanged_large_is_null", &A::unchanged_large_is_null},
      AssumptionName{"start_lsn_waits_for_scan", &A::start_lsn_waits_for_scan},
      AssumptionName{"dummy_interval_ms", &A::dummy_interval_ms},
      AssumptionName{"column_rename_is_refused", &A::column_rename_is_refused},
      AssumptionName{"has_masking_function", &A::has_masking_function},
      AssumptionName{"has_command_id", &A::has_command_id},
      AssumptionName{"max_lsn_is_dirty", &A::max_lsn_is_dirty},
      AssumptionName{"definitions_have_entries", &A::definitions_have_entries},
      AssumptionName{"uncaptured_update_has_rows", &A::uncaptured_update_has_rows},
      AssumptionName{"help_jobs_has_job_name", &A::help_jobs_has_job_name},
      AssumptionName{"column_type_is_alias", &A::column_type_is_alias},
  };
  static_assert(sizeof(Assumptions) == kNames.size() * sizeof(int64_t), "a name is missing");
  return kNames;
}

bool AssumptionSet::set(std::string_view name, int64_t value) {
  const auto names = assumption_names();
  const auto it = std::find_if(names.begin(), names.end(), [name](const AssumptionName& entry) {
    return sql::equal_names(entry.name, name);
  });
  if (it == names.end()) {
    return false;
  }
  const std::lock_guard lock(mutex_);
  values_.*(it->member) = value;
  return true;
}

}  // namespace dstream::standin::cdc
