"""Other libraries' doors to a cluster: joblib's backend, Dask on our engines."""
