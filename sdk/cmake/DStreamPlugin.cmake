# dstream_add_plugin(name SOURCES a.cc b.cc [LIBS target ...])
#
# Builds name.so, a plugin that shows the world exactly one symbol, dstream_plugin_v1, in C or
# C++20. Without these rules a plugin that brings its own copy of a library would call the host's
# copy instead. Libraries given as static archives are hidden in the plugin.
#
# `cmake --install` puts it into lib/dstream/plugins, where the host looks, unless
# DSTREAM_INSTALL_PLUGINS is set to OFF. Compile and link options that you add to the target `name`
# are kept.
include(GNUInstallDirs)

function(dstream_add_plugin name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS OR NOT ARG_SOURCES)
    message(FATAL_ERROR "usage: dstream_add_plugin(name SOURCES file ... [LIBS target ...])")
  endif()
  set(version_script "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.version")
  add_library(${name} MODULE ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES
    PREFIX "" SUFFIX ".so"
    POSITION_INDEPENDENT_CODE ON
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LINK_DEPENDS "${version_script}")
  if(CMAKE_CXX_COMPILER)
    target_compile_features(${name} PRIVATE cxx_std_20)
  endif()
  # A unique symbol would keep the library from being isolated, and from ever being replaced.
  target_compile_options(${name} PRIVATE
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fno-gnu-unique>)
  # A sanitized library leaves the sanitizer's runtime to the program, so -z defs would refuse it.
  if(NOT DSTREAM_SANITIZE)
    target_link_options(${name} PRIVATE "LINKER:-z,defs")
  endif()
  target_link_options(${name} PRIVATE
    "LINKER:--version-script=${version_script}" "LINKER:--exclude-libs,ALL"
    "LINKER:-z,now" "LINKER:-z,relro")
  target_link_libraries(${name} PRIVATE DStream::sdk ${ARG_LIBS})
  if(NOT DEFINED DSTREAM_INSTALL_PLUGINS OR DSTREAM_INSTALL_PLUGINS)
    install(TARGETS ${name} LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/dstream/plugins")
  endif()
endfunction()
