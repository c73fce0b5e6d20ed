"""What tests share: the smallest recipes and data, plain-Python twins, processes, browser and JupyterLab, a family."""
