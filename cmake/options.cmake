# Compiler options of our own targets. Sanitizers are global: every object of a build must agree on them.
add_library(broadcast_options INTERFACE)
target_compile_options(broadcast_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wno-missing-field-initializers $<$<COMPILE_LANGUAGE:CXX>:-Wconversion -Wsign-conversion>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(broadcast_options INTERFACE -Wno-restrict)  # GCC's bug 105651: false ones in std::string
endif()
if(BROADCAST_WERROR)
  target_compile_options(broadcast_options INTERFACE -Werror)
endif()
target_include_directories(broadcast_options INTERFACE ${PROJECT_SOURCE_DIR})

# As Debian hardens what it ships. A sanitizer finds the same, and does not go together with it.
if(NOT BROADCAST_SANITIZE)
  include(CheckPIESupported)
  check_pie_supported(LANGUAGES C CXX)
  add_compile_options(-fstack-protector-strong -fstack-clash-protection
    $<$<CONFIG:Release,RelWithDebInfo>:-U_FORTIFY_SOURCE> $<$<CONFIG:Release,RelWithDebInfo>:-D_FORTIFY_SOURCE=2>)
  add_link_options(LINKER:-z,relro,-z,now)
endif()

if(BROADCAST_SANITIZE)
  add_compile_options(-fsanitize=${BROADCAST_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${BROADCAST_SANITIZE})
  if(BROADCAST_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
  if(BROADCAST_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
  endif()
  if(BROADCAST_SANITIZE STREQUAL "thread")
    add_compile_definitions(BOOST_ASIO_DISABLE_FENCED_BLOCK)  # ThreadSanitizer does not know fences
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")  # GCC defines these by itself
    foreach(sanitizer address thread)
      if(BROADCAST_SANITIZE MATCHES ${sanitizer})
        string(TOUPPER __SANITIZE_${sanitizer}__ definition)
        add_compile_definitions(${definition})
      endif()
    endforeach()
  endif()
endif()

# broadcast_add_library(name sources...): a part of the host, namespace-free static library.
function(broadcast_add_library name)
  add_library(${name} STATIC ${ARGN})
  target_link_libraries(${name} PUBLIC broadcast_options)
endfunction()
