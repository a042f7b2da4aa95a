# find_package(BroadcastSdk 1): Broadcast::sdk, broadcast_add_plugin() and broadcast_test_plugin().
include(CMakeFindDependencyMacro)
find_dependency(nlohmann_json)
include(${CMAKE_CURRENT_LIST_DIR}/BroadcastSdkTargets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/BroadcastPlugin.cmake)
enable_testing()  # which broadcast_test_plugin() cannot do for its caller
