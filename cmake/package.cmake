# What is delivered: component `host`, a directory that runs where it is put (the host looks for plugins/ beside its own
# bin/), and component `sdk` (sdk/CMakeLists.txt), also as the Debian package broadcast-sdk.
install(TARGETS broadcast-host broadcastctl RUNTIME DESTINATION bin COMPONENT host)
install(TARGETS daytrading_signal heartbeat market_gate price vcp_signal
  LIBRARY DESTINATION plugins COMPONENT host)
install(DIRECTORY config DESTINATION . COMPONENT host USE_SOURCE_PERMISSIONS)
install(FILES LICENSE DESTINATION . COMPONENT host)

set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL sdk)
set(CPACK_PACKAGE_VERSION ${BROADCAST_SDK_VERSION})
set(CPACK_PACKAGE_CONTACT "the maintainers of broadcast-host <maintainers@broadcast-host.invalid>")
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_SDK_PACKAGE_NAME broadcast-sdk)
set(CPACK_DEBIAN_SDK_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_SDK_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_SDK_PACKAGE_DEPENDS nlohmann-json3-dev)
set(CPACK_DEBIAN_SDK_PACKAGE_RECOMMENDS "libgtest-dev, libgmock-dev")
set(CPACK_COMPONENT_SDK_DESCRIPTION
  "headers, CMake functions and a fake host for plugins of broadcast-host\n Broadcasters are shared libraries that publish to WebSocket subscribers.")
include(CPack)
