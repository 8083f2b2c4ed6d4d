# The library as a static target of an app's own build: include() this file, link edgecnn_native.
#
# clang is as fast as the wheels' compiler; gcc keeps fewer sums in registers (12: half the speed).
set(EDGECNN_NATIVE_SOURCE ${CMAKE_CURRENT_LIST_DIR}/src)
file(GLOB EDGECNN_NATIVE_FILES CONFIGURE_DEPENDS ${EDGECNN_NATIVE_SOURCE}/*.c ${EDGECNN_NATIVE_SOURCE}/kernels/portable*.c)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  file(GLOB EDGECNN_NATIVE_AVX512 CONFIGURE_DEPENDS ${EDGECNN_NATIVE_SOURCE}/kernels/avx512*.c)
  list(APPEND EDGECNN_NATIVE_FILES ${EDGECNN_NATIVE_AVX512} ${EDGECNN_NATIVE_SOURCE}/kernels/processor_x86.c)
  set_source_files_properties(${EDGECNN_NATIVE_AVX512} PROPERTIES COMPILE_OPTIONS
    "-mavx512f;-mavx512bw;-mavx512vl;-mavx512dq;-mavx512vnni;-mavx512vbmi;-mfma;-mprefer-vector-width=512")
endif()
add_library(edgecnn_native STATIC ${EDGECNN_NATIVE_FILES})
target_include_directories(edgecnn_native PUBLIC ${CMAKE_CURRENT_LIST_DIR}/include)
target_compile_options(edgecnn_native PRIVATE -O3 -ffp-contract=off -fvisibility=hidden)
target_compile_definitions(edgecnn_native PRIVATE _GNU_SOURCE)
set_target_properties(edgecnn_native PROPERTIES C_STANDARD 11 C_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
find_package(Threads REQUIRED)
target_link_libraries(edgecnn_native PUBLIC Threads::Threads m)
