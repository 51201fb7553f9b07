/// <reference lib="esnext.disposable" />

export { Driver, type DriverOptions, type DriverRecord, type DriverSendOptions, driver } from './driver.ts'
