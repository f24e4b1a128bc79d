// Where things are when nobody says so.
#pragma once

#include <string>
#include <vector>

namespace dstream::host {

// The folders of plugins that belong to this program, those that exist: of the installation
// (../lib/dstream/plugins from the program) and of a build tree (../plugin-dir).
std::vector<std::string> default_plugin_dirs();

// $STATE_DIRECTORY (systemd), else /var/lib/dstream for root, else $XDG_STATE_HOME/dstream or
// ~/.local/state/dstream.
std::string default_state_dir();

// This program's own file.
std::string self_path();

}  // namespace dstream::host
